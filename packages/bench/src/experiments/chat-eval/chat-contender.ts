/** Options of one question. */
export interface AskOptions {
  /** Most tokens of the answer. */
  readonly maxTokens: number;
  /** Stops the answer: the call then rejects. */
  readonly signal?: AbortSignal | undefined;
  /** To be called whenever a piece of the answer's text is handed out; the first call ends the time to the first token. */
  readonly onText: () => void;
}

/** An answer, and what it cost. */
export interface MeasuredAnswer {
  /** Its text. */
  readonly answer: string;
  /** Tokens that the turn added in front of the answer: the message with what the template puts around it. */
  readonly promptTokens: number;
  /** Tokens of the answer. */
  readonly answerTokens: number;
  /** Tokens that the engine evaluated from the question to the end of the answer, those that it had evaluated before included. */
  readonly evaluatedTokens: number;
  /** How often something had to leave the cache. */
  readonly evictions: number;
  /** Exchanges of which the model sees a part and not the whole, after the answer. Left out where nothing tells. */
  readonly cutExchanges?: number | undefined;
  /** Why the answer ended, in the words of the library that gave it. */
  readonly end: string;
}

/** A conversation that is going on. */
export interface MeasuredChat {
  /** Cells that it may use. */
  readonly cells: number;
  /** Bytes that the engine allocated for its context, where it tells. */
  readonly contextBytes?: number | undefined;
  /**
   * Asks the next question, and answers when the whole answer is there. A `KVPolicyError` ends this conversation alone; any other
   * error ends the experiment.
   */
  ask(question: string, options: AskOptions): Promise<MeasuredAnswer>;
  /** Frees the context. */
  dispose(): Promise<void>;
}

/** One way to hold a conversation. */
export interface ChatContender {
  /** Its name in tables and charts; two of a comparison differ. */
  readonly name: string;
  /** What it is, in a phrase. */
  readonly description: string;
  /**
   * Opens a conversation on a context of its own. A `KVPolicyError` becomes the row of this contender, and the others go on.
   */
  open(onWarning: (message: string) => void): Promise<MeasuredChat>;
}
