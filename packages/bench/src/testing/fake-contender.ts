import { createStream, type KVCachePolicy } from "@kvpolicy/core";
import { FakeBackend, type FakeBackendOptions } from "@kvpolicy/core/testing";

import type { Contender } from "../measure/contender.js";

/** A clock that stands still until something takes time. */
export class FakeClock {
  /** Milliseconds since it was made. */
  now = 0;

  /** The time. */
  readonly tell = (): number => this.now;
}

/** What the operations of a {@link TimedBackend} take, in milliseconds. */
export interface FakeCosts {
  /** Each decoded token, evaluated again or new. */
  readonly token: number;
  /** Each eviction. */
  readonly eviction: number;
}

/** A fake backend whose operations move a fake clock. */
export class TimedBackend extends FakeBackend {
  readonly #clock: FakeClock;
  readonly #costs: FakeCosts;

  constructor(options: FakeBackendOptions, clock: FakeClock, costs: FakeCosts) {
    super(options);
    this.#clock = clock;
    this.#costs = costs;
  }

  override async decode(
    tokens: Uint32Array,
    options?: { readonly scoreFrom: number },
  ): Promise<Float64Array | undefined> {
    this.#clock.now += tokens.length * this.#costs.token;
    return super.decode(tokens, options);
  }

  override async evict(ranges: Parameters<FakeBackend["evict"]>[0]): Promise<void> {
    this.#clock.now += this.#costs.eviction;
    await super.evict(ranges);
  }
}

/** Options of {@link fakeContender}. */
export interface FakeContenderOptions {
  /** Its name. Defaults to the policy's. */
  readonly name?: string;
  /** Its policy. */
  readonly policy: KVCachePolicy;
  /** Cells. */
  readonly budget: number;
  /** The clock that its work moves. */
  readonly clock?: FakeClock;
  /** What its work takes. Defaults to 1 ms for a token and 10 ms for an eviction. */
  readonly costs?: FakeCosts;
  /** Beginning-of-sequence token. Defaults to none. */
  readonly bos?: number;
  /** Tokens that the backend decodes in one step. Defaults to 8. */
  readonly batch?: number;
  /** A message to warn with when it is opened. */
  readonly warning?: string;
}

/** A contender on a fake backend. */
export function fakeContender(options: FakeContenderOptions): Contender {
  const {
    policy,
    budget,
    clock = new FakeClock(),
    costs = { token: 1, eviction: 10 },
    bos,
    batch = 8,
    warning,
  } = options;
  return {
    name: options.name ?? policy.name,
    policy,
    open: async (onWarning) => {
      await Promise.resolve();
      if (warning !== undefined) onWarning(warning);
      const backend = new TimedBackend({ capacity: budget, batch }, clock, costs);
      return createStream({ backend, policy, budget, ...(bos !== undefined && { bos }) });
    },
  };
}

/** A text of token ids that does not repeat soon. */
export function fakeText(length: number): Uint32Array {
  return Uint32Array.from({ length }, (_, index) => (index * 7 + (index >> 3)) % 100);
}
