import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { effectScope, nextTick, shallowRef, type EffectScope } from "vue";

import { beginReading, type ReadingState } from "./reading-state.js";
import { DEFAULT_SETTINGS, type Settings } from "./settings.js";
import { SETTLED, useReadingControls, type ReadingControls } from "./use-reading-controls.js";

const state = shallowRef<ReadingState>(beginReading(0));
const reading = {
  state,
  open: vi.fn(),
  setParticipants: vi.fn(),
  run: vi.fn(),
  pause: vi.fn(),
  watch: vi.fn(),
  prepare: vi.fn(),
};
let scope: EffectScope;
let controls: ReadingControls;

beforeEach(() => {
  vi.useFakeTimers();
  vi.resetAllMocks();
  state.value = { ...beginReading(1), phase: "waiting", total: 1000 };
  scope = effectScope();
  scope.run(() => {
    controls = useReadingControls(reading, "the book");
  });
});
afterEach(() => {
  scope.stop();
  vi.useRealTimers();
});

function setPhase(phase: ReadingState["phase"]): void {
  state.value = { ...state.value, phase };
}

async function enter(change: Partial<Settings>): Promise<void> {
  controls.settings.value = { ...controls.settings.value, ...change };
  await nextTick();
}

it("shows figures of the reading that was opened, until the form has settled", async () => {
  await enter({ budget: 64 });
  expect(controls.opened.value.budget).toBe(DEFAULT_SETTINGS.budget);
  vi.advanceTimersByTime(SETTLED);
  expect(controls.opened.value.budget).toBe(64);
  expect(reading.open).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ budget: 64, text: "the book" }),
    controls.participants.value,
  );
});

it("keeps the reading that was opened when the form is refused, and pauses it", async () => {
  await enter({ budget: 10 });
  vi.advanceTimersByTime(SETTLED);
  expect(controls.problem.value).toContain("budget");
  expect(controls.opened.value).toBe(DEFAULT_SETTINGS);
  expect(reading.open).not.toHaveBeenCalled();
  expect(reading.pause).toHaveBeenCalledOnce();
});

it("opens once for a text that is typed letter by letter", async () => {
  await enter({ textSource: "own", ownText: "C" });
  vi.advanceTimersByTime(SETTLED - 1);
  await enter({ ownText: "Ca" });
  vi.advanceTimersByTime(SETTLED - 1);
  expect(reading.open).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(reading.open).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ text: "Ca" }),
    expect.anything(),
  );
});

it("pauses what runs, also when the form was changed just before", async () => {
  setPhase("reading");
  await enter({ stride: 4 });
  controls.toggle();
  expect(reading.pause).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(SETTLED);
  expect(controls.opened.value.stride).toBe(4);
  expect(reading.run).not.toHaveBeenCalled();
});

it("starts with what stands in the form", async () => {
  await enter({ stride: 4 });
  controls.toggle();
  expect(controls.opened.value.stride).toBe(4);
  expect(reading.run).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(SETTLED);
  expect(reading.open).toHaveBeenCalledOnce();
});

it("goes on after a pause, and begins again after the end", () => {
  controls.toggle();
  expect(reading.run).toHaveBeenCalledOnce();
  expect(reading.open).not.toHaveBeenCalled();
  setPhase("complete");
  controls.toggle();
  expect(reading.open).toHaveBeenCalledOnce();
  expect(reading.run).toHaveBeenCalledTimes(2);
});

it("gives a policy that is added an id of its own", async () => {
  controls.remove(1);
  controls.add({ policy: "surprise", options: {} });
  await nextTick();
  expect(controls.participants.value.map(({ id }) => id)).toEqual([0, 2, 3, 4]);
  expect(reading.setParticipants).toHaveBeenCalledExactlyOnceWith(controls.participants.value);
});

it("opens nothing once its component is gone", async () => {
  await enter({ budget: 64 });
  scope.stop();
  vi.advanceTimersByTime(SETTLED);
  expect(reading.open).not.toHaveBeenCalled();
});
