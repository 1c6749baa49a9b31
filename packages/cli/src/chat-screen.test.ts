import { PassThrough } from "node:stream";

import { describe, expect, it } from "vitest";

import { PlainScreen, TerminalScreen } from "./chat-screen.js";

/** An output that remembers. */
class Terminal extends PassThrough {
  readonly columns = 20;
  readonly rows = 10;
  text = "";

  override write(text: unknown): boolean {
    this.text += String(text);
    return true;
  }
}

describe("a conversation through pipes", () => {
  it("takes lines, those that come early too, and ends with them", async () => {
    const input = new PassThrough();
    using screen = new PlainScreen(input, new Terminal(), new Terminal());
    input.write("one\ntwo\n");
    expect(await screen.ask()).toBe("one");
    const third = (async () => [await screen.ask(), await screen.ask(), await screen.ask()])();
    input.end("three\n");
    expect(await third).toEqual(["two", "three", undefined]);
    expect(await screen.ask()).toBeUndefined();
  });

  it("keeps answers and everything else apart", () => {
    const [output, notes] = [new Terminal(), new Terminal()];
    using screen = new PlainScreen(new PassThrough(), output, notes);
    screen.note("a note");
    screen.write("an ");
    screen.write("answer");
    screen.status();
    screen.finishAnswer("the use");
    expect(output.text).toBe("an answer\n");
    expect(notes.text).toBe("a note\nthe use\n");
  });
});

describe("a conversation on a terminal", () => {
  const draw = (line: string): string => `\u001B7\u001B[10;1H\u001B[2K${line}\u001B8`;

  it("keeps the last row for the live line, cut to the width, and gives it back", () => {
    const output = new Terminal();
    {
      using screen = new TerminalScreen(new PassThrough(), output, (text) => text);
      expect(output.text).toContain("\u001B[1;9r");
      output.text = "";
      screen.status("a line that is longer than the terminal");
      expect(output.text).toBe(draw("a line that is long"));
      output.text = "";
      screen.status("a line that is longer than the terminal");
      expect(output.text).toBe("");
    }
    expect(output.text).toContain("\u001B[r\u001B[10;1H\u001B[2K");
    output.text = "";
    output.emit("resize");
    expect(output.text).toBe("");
  });

  it("asks again after an answer, and draws the live line behind what was typed", async () => {
    const input = new PassThrough();
    const output = new Terminal();
    using screen = new TerminalScreen(input, output, (text) => text);
    screen.status("the use");
    const asked = screen.ask();
    output.text = "";
    input.write("hello\r");
    expect(await asked).toBe("hello");
    await new Promise((resolve) => setImmediate(resolve));
    expect(output.text.endsWith(draw("the use"))).toBe(true);
  });

  it("leaves after Ctrl-D, also when that came during an answer, and lets standard input go", async () => {
    const input = new PassThrough();
    using screen = new TerminalScreen(input, new Terminal(), (text) => text);
    input.write("\u0004");
    await new Promise((resolve) => setImmediate(resolve));
    expect(await screen.ask()).toBeUndefined();
    expect(input.isPaused()).toBe(true);
  });

  it("hands Ctrl-C to the answer under way, and leaves without one", async () => {
    const input = new PassThrough();
    using screen = new TerminalScreen(input, new Terminal(), (text) => text);
    let interrupts = 0;
    screen.onInterrupt = () => {
      interrupts += 1;
    };
    input.write("\u0003");
    await new Promise((resolve) => setImmediate(resolve));
    expect(interrupts).toBe(1);
    screen.onInterrupt = undefined;
    const asked = screen.ask();
    input.write("\u0003");
    expect(await asked).toBeUndefined();
  });
});
