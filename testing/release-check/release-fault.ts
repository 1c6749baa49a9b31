/** What keeps a release back: one sentence a fault, each naming the culprit. */
export class ReleaseFault extends Error {
  /** The faults, at least one. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.name = "ReleaseFault";
    this.faults = faults;
  }
}

/** Throws what was found, if anything was. */
export function refuse(faults: readonly string[]): void {
  if (faults.length > 0) throw new ReleaseFault(faults);
}
