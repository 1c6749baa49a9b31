import { KVPolicyError } from "@kvpolicy/core";
import { createTokenizer, type ReferenceModel } from "@kvpolicy/reference-backend";

import { PolicyReader, type SharedReading } from "./policy-reader.js";
import { takeTurns } from "./take-turns.js";
import type {
  AttentionReport,
  AttentionView,
  Participant,
  ReadingOptions,
  Report,
  Request,
} from "./worker-protocol.js";

/** Milliseconds between two reports while it reads. */
const REPORT_INTERVAL = 100;

/** What a session stands on. */
export interface SessionSurroundings {
  /** Loads a model. It is asked once for each URL, unless that failed. */
  readonly loadModel: (url: string) => Promise<ReferenceModel>;
  readonly post: (report: Report) => void;
  /** Tells the time in milliseconds. Defaults to `performance.now`. */
  readonly clock?: () => number;
}

/** The worker's side of the playground: reads one text at a time, as the page asks. Requests are carried out in their order. */
export class ReadingSession {
  readonly #surroundings: SessionSurroundings;
  readonly #clock: () => number;
  readonly #models = new Map<string, Promise<ReferenceModel>>();
  #done: Promise<void> = Promise.resolve();
  #reading = 0;
  #shared: SharedReading | undefined;
  #readers: PolicyReader[] = [];
  #views: readonly AttentionView[] = [];
  #run: { readonly controller: AbortController; readonly end: Promise<void> } | undefined;
  #lastReport = -Infinity;

  constructor(surroundings: SessionSurroundings) {
    this.#surroundings = surroundings;
    this.#clock = surroundings.clock ?? (() => performance.now());
  }

  /** Carries a request out, after those before it. What fails is told in a report. */
  handle(request: Request): Promise<void> {
    this.#done = this.#done
      .then(() => this.#carryOut(request))
      .catch((error: unknown) => {
        this.#tellFailure(error);
      });
    return this.#done;
  }

  /** Resolves when the run under way is over: because all is read, or it was paused. */
  async finish(): Promise<void> {
    await this.#done;
    await this.#run?.end;
  }

  async #carryOut(request: Request): Promise<void> {
    switch (request.kind) {
      case "open":
        await this.#open(request.reading, request.options, request.participants);
        break;
      case "set participants":
        await this.#setParticipants(request.participants);
        break;
      case "run":
        this.#start();
        break;
      case "pause":
        await this.#stop();
        this.#report();
        break;
      case "watch":
        this.#views = request.views;
        this.#report();
        break;
      case "prepare":
        // Nobody waits for it, and who needs a model that did not come hears why then.
        void Promise.allSettled(request.modelUrls.map((url) => this.#modelAt(url)));
        break;
    }
  }

  async #open(reading: number, options: ReadingOptions, participants: readonly Participant[]): Promise<void> {
    await this.#close();
    this.#reading = reading;
    const model = await this.#modelAt(options.modelUrl);
    const tokenizer = createTokenizer(model.metadata);
    const tokens = Uint32Array.from(tokenizer.encode(options.text)).subarray(0, options.mostTokens);
    const { budget, stride } = options;
    this.#shared = { model, tokenizer, tokens, budget, stride, clock: this.#clock };
    this.#surroundings.post({
      kind: "opened",
      reading,
      tokens: tokens.length,
      firstPosition: tokenizer.bos === undefined ? 0 : 1,
    });
    await this.#setParticipants(participants);
  }

  async #setParticipants(participants: readonly Participant[]): Promise<void> {
    const shared = this.#shared;
    if (!shared) return;
    const wasRunning = this.#run !== undefined;
    await this.#stop();
    const stay = this.#readers.filter((reader) => participants.some(({ id }) => id === reader.id));
    const leave = this.#readers.filter((reader) => !stay.includes(reader));
    this.#readers = participants.map(
      (participant) => stay.find(({ id }) => id === participant.id) ?? new PolicyReader(participant, shared),
    );
    for (const reader of leave) await reader.dispose();
    if (wasRunning) this.#start();
    this.#report();
  }

  #start(): void {
    if (this.#run || !this.#shared) return;
    const controller = new AbortController();
    const end = takeTurns(this.#readers, controller.signal, () => {
      if (this.#clock() - this.#lastReport >= REPORT_INTERVAL) this.#report();
    })
      .catch((error: unknown) => {
        this.#tellFailure(error);
      })
      .finally(() => {
        if (this.#run?.controller !== controller) return;
        this.#run = undefined;
        this.#report();
      });
    this.#run = { controller, end };
  }

  async #stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    run?.controller.abort();
    await run?.end;
  }

  async #close(): Promise<void> {
    await this.#stop();
    this.#shared = undefined;
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) await reader.dispose();
  }

  #modelAt(url: string): Promise<ReferenceModel> {
    const known = this.#models.get(url);
    if (known) return known;
    const loading = this.#surroundings.loadModel(url);
    this.#models.set(url, loading);
    // A connection that is back later is worth another try.
    loading.catch(() => this.#models.delete(url));
    return loading;
  }

  #report(): void {
    if (!this.#shared) return;
    this.#lastReport = this.#clock();
    this.#surroundings.post({
      kind: "progress",
      reading: this.#reading,
      isRunning: this.#run !== undefined,
      participants: this.#readers.map((reader) => reader.report()),
      attention: this.#views.flatMap((view) => this.#picture(view)),
    });
  }

  #picture({ participant, layer, head }: AttentionView): AttentionReport[] {
    const reader = this.#readers.find(({ id }) => id === participant);
    return reader ? [{ participant, ...reader.attention.picture(layer, head) }] : [];
  }

  #tellFailure(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const code = KVPolicyError.isInstance(error) ? error.code : "unexpected";
    this.#surroundings.post({ kind: "failed", reading: this.#reading, failure: { code, message } });
  }
}
