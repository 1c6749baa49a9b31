import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";

/** Where a conversation takes place. */
export interface ChatScreen extends Disposable {
  /** The next line that the user writes; undefined when there are no more. */
  ask(): Promise<string | undefined>;
  /** A piece of an answer. */
  write(text: string): void;
  /** A line about the conversation. */
  note(text: string): void;
  /** The live line: drawn in place on a terminal. */
  status(text: string): void;
  /** The answer is over: the live line as it is now. */
  finishAnswer(status: string): void;
  /** Called at Ctrl-C; undefined for leaving. */
  onInterrupt: (() => void) | undefined;
  /** Whether Ctrl-C ended the conversation. */
  readonly isInterrupted: boolean;
}

/** What a terminal or a pipe offers of a stream. */
export interface Output {
  /** Writes text. */
  write(text: string): unknown;
  /** Width of the terminal. */
  readonly columns?: number;
  /** Height of the terminal. */
  readonly rows?: number;
  /** Told when the size changes. */
  on?(event: "resize", listener: () => void): unknown;
  /** Stops telling. */
  off?(event: "resize", listener: () => void): unknown;
}

const PROMPT = "> ";

/** A queue of lines out of readline, so that what is typed during an answer is not lost. */
class Lines {
  readonly #lines: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined;
  #isClosed = false;

  constructor(lines: Interface) {
    lines.on("line", (line) => {
      const waiting = this.#take();
      if (waiting) waiting(line);
      else this.#lines.push(line);
    });
    lines.on("close", () => {
      this.#isClosed = true;
      this.#take()?.(undefined);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Forgets what is waiting. */
  drop(): void {
    this.#lines.length = 0;
  }

  next(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#isClosed) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #take(): ((line: string | undefined) => void) | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}

/**
 * A conversation through pipes: each line in is a message, answers go to `output`, everything else to `notes`.
 */
export class PlainScreen implements ChatScreen {
  onInterrupt: (() => void) | undefined;
  readonly #output: Output;
  readonly #notes: Output;
  readonly #interface: Interface;
  readonly #lines: Lines;
  isInterrupted = false;
  /** The first ends the conversation, with the answer under way; a second finds no listener and ends the process. */
  readonly #interrupt = (): void => {
    this.isInterrupted = true;
    this.#lines.drop();
    this.#interface.close();
    this.onInterrupt?.();
  };

  constructor(input: Readable, output: Output, notes: Output) {
    this.#output = output;
    this.#notes = notes;
    this.#interface = createInterface({ input });
    this.#lines = new Lines(this.#interface);
    process.once("SIGINT", this.#interrupt);
  }

  ask(): Promise<string | undefined> {
    return this.#lines.next();
  }

  write(text: string): void {
    this.#output.write(text);
  }

  note(text: string): void {
    this.#notes.write(`${text}\n`);
  }

  status(): void {
    // Nothing is drawn in place in a pipe.
  }

  finishAnswer(status: string): void {
    this.#output.write("\n");
    this.note(status);
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#interrupt);
    this.#interface.close();
  }
}

/** A conversation on a terminal: everything scrolls but the last row, which holds the live line. */
export class TerminalScreen implements ChatScreen {
  readonly isInterrupted = false;
  onInterrupt: (() => void) | undefined;
  readonly #output: Output;
  readonly #interface: Interface;
  readonly #lines: Lines;
  readonly #dim: (text: string) => string;
  #status = "";
  #isDisposed = false;
  readonly #layOut = (): void => {
    const rows = this.#rows;
    // Setting the region moves the cursor; a new line makes sure that it is not on the row that is taken away.
    this.#output.write(`\n\u001B[1A\u001B7\u001B[1;${rows - 1}r\u001B8`);
    this.#draw();
  };

  constructor(input: Readable, output: Output & NodeJS.WritableStream, dim: (text: string) => string) {
    this.#output = output;
    this.#dim = dim;
    this.#interface = createInterface({ input, output, prompt: PROMPT, terminal: true });
    this.#lines = new Lines(this.#interface);
    this.#interface.on("SIGINT", () => {
      if (this.onInterrupt) this.onInterrupt();
      else this.#interface.close();
    });
    // Readline clears everything below the line that is being written.
    input.on("keypress", () => {
      setImmediate(() => {
        this.#draw();
      });
    });
    output.on("resize", this.#layOut);
    this.#layOut();
  }

  ask(): Promise<string | undefined> {
    // Ctrl-D during an answer has closed it; a prompt would open standard input again, and nobody would close that.
    if (!this.#lines.isClosed) this.#interface.prompt();
    this.#draw();
    return this.#lines.next();
  }

  write(text: string): void {
    this.#output.write(text);
  }

  note(text: string): void {
    this.#output.write(`${this.#dim(text)}\n`);
  }

  status(text: string): void {
    if (text === this.#status) return;
    this.#status = text;
    this.#draw();
  }

  finishAnswer(status: string): void {
    this.#output.write("\n");
    this.status(status);
  }

  [Symbol.dispose](): void {
    this.#output.off?.("resize", this.#layOut);
    this.#interface.close();
    this.#isDisposed = true;
    this.#output.write(`\u001B7\u001B[r\u001B[${this.#rows};1H\u001B[2K\u001B8\n`);
  }

  get #rows(): number {
    return this.#output.rows ?? 24;
  }

  #draw(): void {
    if (this.#isDisposed) return;
    const columns = this.#output.columns ?? 80;
    const line = this.#dim(this.#status.slice(0, columns - 1));
    this.#output.write(`\u001B7\u001B[${this.#rows};1H\u001B[2K${line}\u001B8`);
  }
}
