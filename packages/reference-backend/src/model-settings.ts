import { KVPolicyError } from "@kvpolicy/core";

/** What a GGUF file says about its model, the keys that begin with the architecture's name, and which nobody asked for. */
export class ModelSettings {
  /** GGUF's name of the architecture. */
  readonly architecture: string;
  readonly #metadata: Readonly<Record<string, unknown>>;
  readonly #unread: Set<string>;

  constructor(metadata: Readonly<Record<string, unknown>>) {
    const architecture = metadata["general.architecture"];
    if (typeof architecture !== "string") throw this.#refuse("general.architecture", architecture, "a name");
    this.architecture = architecture;
    this.#metadata = metadata;
    const prefix = `${architecture}.`;
    const own = Object.keys(metadata).filter((key) => key.startsWith(prefix));
    this.#unread = new Set(own.map((key) => key.slice(prefix.length)));
  }

  /** A whole number of at least 1. Without a default, the file must have it. */
  count(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isSafeInteger(value) && value >= 1) return value;
    throw this.#refuse(key, value, "a whole number of at least 1");
  }

  /** A number; one that the file gives for each layer must be the same for all. Without a default, the file must have it. */
  number(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback;
    const first: unknown = Array.isArray(value) ? value[0] : value;
    if (Array.isArray(value) && value.some((other) => other !== first)) {
      throw unsupportedModel(key, `it differs from layer to layer: ${value.join(", ")}`);
    }
    if (typeof first === "number" && Number.isFinite(first)) return first;
    throw this.#refuse(key, value, "a number");
  }

  /** A number if the file has it. */
  optionalNumber(key: string): number | undefined {
    return this.value(key) === undefined ? undefined : this.number(key);
  }

  /** A switch. The file must have it. */
  flag(key: string): boolean {
    const value = this.value(key);
    if (typeof value === "boolean") return value;
    throw this.#refuse(key, value, "true or false");
  }

  /** A switch for each of `layers` layers. The file must have it. */
  flags(key: string, layers: number): readonly boolean[] {
    const value = this.value(key);
    if (Array.isArray(value) && value.length >= layers && value.every((flag) => typeof flag === "boolean")) {
      return value;
    }
    throw this.#refuse(key, value, `a list of ${layers} times true or false`);
  }

  /** A word if the file has it. */
  optionalText(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === "string") return value;
    throw this.#refuse(key, value, "a word");
  }

  /** Whatever the file has under a key. */
  value(key: string): unknown {
    this.#unread.delete(key);
    return this.#metadata[`${this.architecture}.${key}`];
  }

  /** Refuses a file with a setting that was not read, and is none of those that change no prediction. */
  refuseUnread(harmless: ReadonlySet<string>): void {
    const key = [...this.#unread].find((unread) => !harmless.has(unread));
    if (key === undefined) return;
    throw unsupportedModel(
      key,
      `this package knows no such setting of the architecture ${this.architecture}, and leaving it out may change every prediction`,
    );
  }

  #refuse(key: string, value: unknown, wanted: string): KVPolicyError {
    return damagedModel(
      `its setting ${key} must be ${wanted}, not ${typeof value === "bigint" ? String(value) : JSON.stringify(value)}`,
      { key, value },
    );
  }
}

/** The file is not what its architecture asks for. */
export function damagedModel(problem: string, value: object): KVPolicyError<"config"> {
  return new KVPolicyError({
    code: "config",
    message: `The model cannot be used: ${problem}.`,
    details: { option: "model", value },
  });
}

/** The file asks for something that this package does not compute. */
export function unsupportedModel(feature: string, reason: string): KVPolicyError<"unsupported"> {
  return new KVPolicyError({
    code: "unsupported",
    message: `The model cannot be computed here: ${feature}: ${reason}.`,
    details: { feature, reason },
  });
}
