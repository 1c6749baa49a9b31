import type { ExaminationPart, ExaminationRequest, Finding, ModelText } from "./examination.js";

/** What an examiner takes of a worker; `Worker` has it. */
export interface WorkerLike {
  onmessage: ((event: MessageEvent<Finding>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: ExaminationRequest | ModelText | undefined): void;
  terminate(): void;
}

/** Milliseconds that a part may go on without a word. */
export type Limits = Readonly<Record<ExaminationPart, number>>;

/** A module and a short stream take no time; a law tries hundreds of cases, and the model reads no more than 32 tokens between two words. */
const LIMITS: Limits = {
  "the module": 4000,
  "the stream": 4000,
  "the laws": 10_000,
  "the model": 15_000,
};

/** What is told of an examination. */
export type ExaminerEvent =
  | Finding
  /** A part said nothing for as long as it may: it was stopped. */
  | { readonly kind: "stopped"; readonly what: string; readonly milliseconds: number };

/** What an examiner is made of. */
export interface ExaminerOptions {
  /** Makes a worker that examines one policy. */
  readonly createWorker: () => WorkerLike;
  /** Called with what is found. */
  readonly tell: (event: ExaminerEvent) => void;
  /** The model and the text, once they are there; `undefined` when they cannot be had. Asked for by every examination that needs them. */
  readonly model: () => Promise<ModelText | undefined>;
  readonly limits?: Limits;
}

/**
 * Examines code in workers. Every examination has one to itself: it ends with it, whatever the code does, and the next one waits
 * already.
 */
export class Examiner {
  readonly #createWorker: () => WorkerLike;
  readonly #tell: (event: ExaminerEvent) => void;
  readonly #model: () => Promise<ModelText | undefined>;
  readonly #limits: Limits;
  #waiting: Hand | undefined;
  #working: Hand | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ createWorker, tell, model, limits = LIMITS }: ExaminerOptions) {
    this.#createWorker = createWorker;
    this.#tell = tell;
    this.#model = model;
    this.#limits = limits;
    this.#waiting = this.#hire();
  }

  /** Begins an examination, and ends the one before it. */
  examine(request: ExaminationRequest): void {
    this.stop();
    const hand = this.#waiting ?? this.#hire();
    this.#waiting = undefined;
    this.#working = hand;
    hand.worker.onmessage = ({ data }) => {
      this.#note(hand, data);
    };
    hand.worker.onerror = (event) => {
      event.preventDefault();
      this.#end();
      this.#tell({
        kind: "problem",
        problem: { message: `The worker failed: ${event.message || "it could not be started"}.` },
      });
    };
    hand.request = request;
    this.#startIfReady(hand);
  }

  /** Ends the examination that goes on, if any. */
  stop(): void {
    if (this.#working) this.#end();
  }

  /** Ends everything. */
  dispose(): void {
    this.stop();
    this.#waiting?.worker.terminate();
    this.#waiting = undefined;
  }

  #hire(): Hand {
    const hand: Hand = { worker: this.#createWorker(), isReady: false, request: undefined };
    hand.worker.onmessage = ({ data }) => {
      hand.isReady = true;
      this.#tell(data);
    };
    // One that fails while it waits is let go: the next examination makes another, and says so if that fails, too.
    hand.worker.onerror = (event) => {
      event.preventDefault();
      hand.worker.terminate();
      if (this.#waiting === hand) this.#waiting = undefined;
    };
    return hand;
  }

  #note(hand: Hand, finding: Finding): void {
    if (hand !== this.#working) return;
    if (finding.kind === "ready") {
      hand.isReady = true;
      this.#startIfReady(hand);
    }
    if (finding.kind === "begins") this.#watch(finding.part, finding.what);
    if (finding.kind === "reading") this.#watch("the model", `${finding.policy} read with the model`);
    if (finding.kind === "needs the model") this.#sendModel(hand);
    if (finding.kind === "done" || finding.kind === "problem") this.#end();
    this.#tell(finding);
  }

  /** The clock runs from when the worker is there: a slow network is no endless loop. */
  #startIfReady(hand: Hand): void {
    if (!hand.isReady || hand.request === undefined) return;
    this.#watch("the module", "the module was run");
    hand.worker.postMessage(hand.request);
    hand.request = undefined;
    // The next examination finds a worker that has loaded.
    this.#waiting ??= this.#hire();
  }

  /** Waiting for the network is no endless loop either. */
  #sendModel(hand: Hand): void {
    clearTimeout(this.#timer);
    void this.#model().then((modelText) => {
      if (hand !== this.#working) return;
      this.#watch("the model", "the model was loaded");
      hand.worker.postMessage(modelText);
    });
  }

  #watch(part: ExaminationPart, what: string): void {
    clearTimeout(this.#timer);
    const milliseconds = this.#limits[part];
    this.#timer = setTimeout(() => {
      this.#end();
      this.#tell({ kind: "stopped", what, milliseconds });
    }, milliseconds);
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#working?.worker.terminate();
    this.#working = undefined;
    this.#waiting ??= this.#hire();
  }
}

/** A worker, and what it is to do once it is there. */
interface Hand {
  readonly worker: WorkerLike;
  isReady: boolean;
  request: ExaminationRequest | undefined;
}
