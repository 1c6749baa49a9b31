import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { effectScope, nextTick, ref, type EffectScope, type Ref } from "vue";

import { usePlayback, type Playback } from "./use-playback.js";

describe("playback", () => {
  let scope: EffectScope;
  let length: Ref<number>;
  let playback: Playback;
  /** Milliseconds until a frame is drawn, and how much older its time is. */
  let frame: { after: number; age: number };

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    frame = { after: 16, age: 0 };
    vi.stubGlobal("requestAnimationFrame", (draw: (now: number) => void) =>
      setTimeout(() => {
        draw(performance.now() - frame.age);
      }, frame.after),
    );
    vi.stubGlobal("cancelAnimationFrame", clearTimeout);
    scope = effectScope();
    length = ref(10);
    playback = scope.run(() => usePlayback(length))!;
  });

  afterEach(() => {
    scope.stop();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  async function pass(milliseconds: number): Promise<void> {
    await nextTick();
    await vi.advanceTimersByTimeAsync(milliseconds);
  }

  test("reads as many tokens a second as its speed says, and stops at the end", async () => {
    playback.speed.value = 4;
    playback.toggle();
    await pass(1100);
    expect(playback.position.value).toBe(4);
    await pass(5000);
    expect(playback.position.value).toBe(10);
    expect(playback.isPlaying.value).toBe(false);
  });

  test("goes on at the speed that is set meanwhile, also at several tokens a frame", async () => {
    length.value = 1000;
    await nextTick();
    playback.speed.value = 200;
    playback.toggle();
    await pass(1000);
    expect(playback.position.value).toBeGreaterThan(180);
    expect(playback.position.value).toBeLessThanOrEqual(200);
  });

  test("never goes back, where the first frame began before playing did", async () => {
    playback.goTo(5);
    frame.age = 20;
    playback.toggle();
    await pass(16);
    expect(playback.position.value).toBe(5);
    await pass(300);
    expect(playback.position.value).toBe(6);
  });

  test("goes on from where it was, after a minute without a frame", async () => {
    length.value = 1000;
    await nextTick();
    frame.after = 60_000;
    playback.toggle();
    await pass(60_000);
    expect(playback.position.value).toBe(0);
    expect(playback.isPlaying.value).toBe(true);
  });

  test("begins again where the end is reached", async () => {
    playback.goTo(10);
    playback.toggle();
    expect([playback.position.value, playback.isPlaying.value]).toEqual([0, true]);
    playback.toggle();
    await pass(2000);
    expect([playback.position.value, playback.isPlaying.value]).toEqual([0, false]);
  });

  test("steps within the text, and stops playing for it", () => {
    playback.toggle();
    playback.step(3);
    expect([playback.position.value, playback.isPlaying.value]).toEqual([3, false]);
    playback.step(-9);
    expect(playback.position.value).toBe(0);
    playback.step(99);
    expect(playback.position.value).toBe(10);
  });

  test("stays within a text that becomes shorter", async () => {
    playback.goTo(10);
    length.value = 6;
    await nextTick();
    expect(playback.position.value).toBe(6);
  });

  test("does not play nothing", () => {
    length.value = 0;
    playback.toggle();
    expect(playback.isPlaying.value).toBe(false);
  });

  test("shows movements of single steps only, and not of fast ones", () => {
    playback.step(1);
    expect(playback.isSlow.value).toBe(true);
    playback.goTo(5);
    expect(playback.isSlow.value).toBe(false);
    playback.step(-1);
    expect(playback.isSlow.value).toBe(true);
    playback.speed.value = 60;
    playback.toggle();
    expect(playback.isSlow.value).toBe(false);
  });

  test("stops with its scope", async () => {
    playback.toggle();
    await pass(300);
    const reached = playback.position.value;
    scope.stop();
    await pass(2000);
    expect(playback.position.value).toBe(reached);
  });
});
