import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { effectScope, type EffectScope } from "vue";

import { useClipboard, type SpokenClipboard } from "./use-clipboard.js";

const WORDS = { copied: "Copied.", refused: "Refused." };

describe("the clipboard", () => {
  const writeText = vi.fn<(text: string) => Promise<void>>();
  let scope: EffectScope;
  let clipboard: SpokenClipboard;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    writeText.mockReset().mockResolvedValue();
    scope = effectScope();
    clipboard = scope.run(useClipboard)!;
  });

  afterEach(() => {
    scope.stop();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  test("says that a text is copied", async () => {
    expect(await clipboard.copy("a text", WORDS)).toBe(true);
    expect(writeText).toHaveBeenCalledWith("a text");
    expect(clipboard.said.value).toBe("Copied.");
  });

  test("says that the browser refuses", async () => {
    writeText.mockRejectedValue(new DOMException("no", "NotAllowedError"));
    expect(await clipboard.copy("a text", WORDS)).toBe(false);
    expect(clipboard.said.value).toBe("Refused.");
  });

  test("says so too where the browser has no clipboard to offer", async () => {
    vi.stubGlobal("navigator", {});
    expect(await clipboard.copy("a text", WORDS)).toBe(false);
    expect(clipboard.said.value).toBe("Refused.");
  });

  test("falls silent after a while, counted from what was said last", () => {
    clipboard.say("one");
    vi.advanceTimersByTime(4000);
    clipboard.say("two");
    vi.advanceTimersByTime(4000);
    expect(clipboard.said.value).toBe("two");
    vi.advanceTimersByTime(1000);
    expect(clipboard.said.value).toBe("");
  });

  test("falls silent before a second copy, which is then announced", async () => {
    await clipboard.copy("a text", WORDS);
    const second = clipboard.copy("a text", WORDS);
    expect(clipboard.said.value).toBe("");
    await second;
    expect(clipboard.said.value).toBe("Copied.");
  });

  test("leaves no timer behind with its scope", () => {
    clipboard.say("one");
    scope.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
