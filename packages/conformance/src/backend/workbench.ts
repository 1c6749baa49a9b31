import { KVPolicyError, type ErrorCode, type KVCacheBackend, type Sampler } from "@kvpolicy/core";

import { Breach, demand, messageOf } from "../breach.js";
import { hash } from "../hash.js";
import { defineLaw, type Law } from "../law.js";
import { distance, predictionError } from "../prediction-error.js";
import { FEW_CELLS, settleBackend, type BackendSettings, type BackendSubject } from "./subject.js";

/** What a law takes of a backend: a capability, or both `saveState` and `loadState`. */
type Ability = "reindex" | "truncate" | "nll" | "saved state";

/** What a law takes of a subject beside the backend, and how to say that it is lacking. */
const GIVEN = {
  oracle: "it takes an oracle",
  greedy: "it takes sampling options for temperature 0, `greedy`",
  seeded: "it takes sampling options with a seed, `seeded`",
  reseeded: "it takes sampling options with another seed, `reseeded`",
} as const;

/** What a law takes. */
export type Need = Ability | keyof typeof GIVEN;

type Backend = KVCacheBackend<unknown>;

/** The batch that the suite wishes for: most blocks are longer. */
const FEW_TOKENS = 5;

/** What the laws of a backend work with: fresh backends, texts, predictions and comparisons. */
export class Workbench {
  readonly subject: BackendSubject;
  /** The subject's options, defaults filled in. */
  readonly settings: BackendSettings;
  readonly #needs: readonly Need[];

  constructor(subject: BackendSubject, needs: readonly Need[]) {
    this.subject = subject;
    this.settings = settleBackend(subject);
    this.#needs = needs;
  }

  /** How far the backend may be off. */
  get tolerance(): BackendSettings["tolerance"] {
    return this.settings.tolerance;
  }

  /** Runs a task on a fresh backend, and disposes it. */
  async use<Result>(task: (backend: Backend) => Promise<Result>, capacity = FEW_CELLS): Promise<Result> {
    const backend = await this.subject.create({ capacity, batch: FEW_TOKENS });
    let result: Result;
    try {
      this.#checkNeeds(backend);
      result = await task(backend);
    } catch (error) {
      await backend.dispose().catch(() => undefined);
      throw error;
    }
    await backend.dispose();
    return result;
  }

  /** The prediction of a fresh backend after a task. */
  predictAfter(task: (backend: Backend) => Promise<unknown>, capacity = FEW_CELLS): Promise<Float64Array> {
    return this.use(async (backend) => {
      await task(backend);
      return this.predict(backend);
    }, capacity);
  }

  /** Tokens start … end − 1 of an endless random text, the same at every call. */
  text(backend: Backend, end: number, { start = 0, seed = 0 } = {}): Uint32Array {
    const { tokens } = this.settings;
    return Uint32Array.from({ length: end - start }, (_, index) => {
      const drawn = hash(seed, start + index);
      return tokens ? (tokens[drawn % tokens.length] ?? 0) : drawn % backend.capabilities.vocabularySize;
    });
  }

  /** The token ids that stand for a prediction: all where there are few, else a random choice that is always the same. */
  probes({ capabilities: { vocabularySize } }: Backend): readonly number[] {
    const { tokens, probes } = this.settings;
    const size = tokens?.length ?? vocabularySize;
    const indices = new Set<number>();
    if (size <= probes) for (let index = 0; index < size; index += 1) indices.add(index);
    for (let index = 0; indices.size < Math.min(probes, size); index += 1) indices.add(hash(7, index) % size);
    return [...indices].map((index) => (tokens ? (tokens[index] ?? 0) : index));
  }

  /** Log-probabilities of the probes at the pending position. */
  async predict(backend: Backend): Promise<Float64Array> {
    const logProbabilities: number[] = [];
    for (const token of this.probes(backend)) logProbabilities.push(-(await backend.nll(token)));
    return Float64Array.from(logProbabilities);
  }

  /** @throws {Breach} when a prediction is too far from the expected one. */
  demandSame(actual: ArrayLike<number>, expected: ArrayLike<number>, when: string): void {
    this.demandWithin(
      predictionError(actual, expected),
      this.tolerance.logits,
      `the error of the prediction ${when}`,
    );
  }

  /** @throws {Breach} when likelihoods are too far from the expected ones. */
  demandSameScores(actual: ArrayLike<number> | undefined, expected: ArrayLike<number>, when: string): void {
    demand(
      actual?.length === expected.length,
      `${actual?.length ?? 0} scores where ${expected.length} were expected ${when}`,
    );
    for (let index = 0; index < expected.length; index += 1) {
      const error = distance(actual[index] ?? NaN, expected[index] ?? NaN);
      this.demandWithin(error, this.tolerance.nll, `the error in nats of score ${index} ${when}`);
    }
  }

  /** @throws {Breach} when lists of tokens differ. */
  demandEqual(actual: readonly number[], expected: readonly number[], what: string): void {
    demand(actual.join() === expected.join(), `${what} are ${actual.join(" ")}, not ${expected.join(" ")}`);
  }

  /** @throws {Breach} when an error is too large, or no number. */
  demandWithin(measured: number, tolerance: number, what: string): void {
    if (measured <= tolerance) return;
    throw new Breach(`${what} is ${measured}, more than ${tolerance}`, { measured, tolerance });
  }

  /** @throws {Breach} when a call does anything but be refused with this code. */
  async demandRefusal<Code extends ErrorCode>(
    call: () => unknown,
    code: Code,
    what: string,
  ): Promise<KVPolicyError<Code>> {
    try {
      await call();
    } catch (cause) {
      if (KVPolicyError.isInstance(cause, code)) return cause;
      const answer = KVPolicyError.isInstance(cause)
        ? `refused with "${cause.code}"`
        : `answered by ${messageOf(cause)}`;
      throw new Breach(`${what} is ${answer}, not refused with "${code}"`, { cause });
    }
    throw new Breach(`${what} is not refused with "${code}": it is carried out`);
  }

  #checkNeeds(backend: Backend): void {
    for (const need of this.#needs) {
      if (isGiven(need)) continue;
      const savesState = backend.saveState && backend.loadState ? true : "it has no saveState and loadState";
      const capability = need === "saved state" ? savesState : backend.capabilities[need];
      demand(
        capability === true,
        `it takes "${need}", which the backend lacks: ${capability}. Skip "${need}" with that reason`,
      );
    }
  }
}

/** Draws from a sampler, and disposes it. */
export async function withSampler<Result>(
  backend: Backend,
  options: unknown,
  task: (sampler: Sampler) => Promise<Result>,
): Promise<Result> {
  const sampler = backend.createSampler(options);
  try {
    return await task(sampler);
  } finally {
    sampler.dispose();
  }
}

/** A law whose body works on a {@link Workbench}. */
export function backendLaw({
  needs = ["nll"],
  check,
  ...law
}: {
  readonly group: string;
  readonly name: string;
  readonly why: string;
  readonly needs?: readonly Need[];
  readonly check: (workbench: Workbench) => Promise<void>;
}): Law<BackendSubject> {
  return defineLaw({
    ...law,
    needs,
    unmet: (subject) => {
      const lacking = needs.filter(isGiven).find((need) => subject[need] === undefined);
      return lacking && GIVEN[lacking];
    },
    check: (subject) => check(new Workbench(subject, needs)),
  });
}

function isGiven(need: Need): need is keyof typeof GIVEN {
  return Object.hasOwn(GIVEN, need);
}
