import { createStream } from "@kvpolicy/core";
import type { FakeBackend } from "@kvpolicy/core/testing";
import { type FakeBackendOptions } from "@kvpolicy/core/testing";

import type { MeasuredModel, MeasuredStream, OpenMeasuredOptions } from "../measure/measured-model.js";
import { FakeClock, TimedBackend, type FakeCosts } from "./fake-contender.js";

/** Options of {@link fakeModel}. */
export interface FakeModelOptions extends FakeBackendOptions {
  /** The clock that its work moves. */
  readonly clock?: FakeClock;
  /** What its work takes. Defaults to 1 ms for a token and 10 ms for an eviction. */
  readonly costs?: FakeCosts;
  /** Beginning-of-sequence token. Defaults to none. */
  readonly bos?: number;
  /** Positions that it was trained on. Defaults to 64. */
  readonly trainedLength?: number;
  /** Called with each backend that a stream opens. */
  readonly onOpen?: (backend: FakeBackend, options: OpenMeasuredOptions) => void;
}

/** A model without weights: a token for each character, and a {@link FakeBackend} behind each stream. */
export function fakeModel(options: FakeModelOptions = {}): MeasuredModel {
  const {
    clock = new FakeClock(),
    costs = { token: 1, eviction: 10 },
    bos,
    trainedLength = 64,
    onOpen,
    ...given
  } = options;
  const capabilities = { vocabularySize: 256, ...given };
  return {
    bos,
    trainedLength,
    encode: (text) => Uint32Array.from(text, (character) => (character.codePointAt(0) ?? 0) % 256),
    findTokens: (isWanted) =>
      Array.from({ length: 256 }, (_, token) => token).filter((token) =>
        isWanted(String.fromCharCode(token)),
      ),
    open: (asked) =>
      Promise.resolve().then((): MeasuredStream => {
        const { policy, budget, bos: wantsBos = bos !== undefined } = asked;
        const backend = new TimedBackend({ ...capabilities, capacity: budget }, clock, costs);
        onOpen?.(backend, asked);
        return createStream({ backend, policy, budget, ...(wantsBos && bos !== undefined && { bos }) });
      }),
  };
}
