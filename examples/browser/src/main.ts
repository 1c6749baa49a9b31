import type { Figures, Message } from "./reading.worker.js";

const PARAGRAPH =
  "The government of a free people must keep its promises. We have built roads and schools, we have opened our ports to the trade of " +
  "every nation, and we have paid what we owed. Still there is work to do, and the Congress will have before it the questions on " +
  "which the welfare of the country depends.\n\n";

const text = find("#text", HTMLTextAreaElement);
const button = find("button", HTMLButtonElement);
const continuation = find("#continuation", HTMLElement);
text.value = PARAGRAPH.repeat(8);

const worker = new Worker(new URL("reading.worker.ts", import.meta.url), { type: "module" });
worker.addEventListener("message", ({ data }: MessageEvent<Message>) => {
  show(data);
});
find("form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  button.disabled = true;
  continuation.textContent = "";
  write("#state", "reads");
  worker.postMessage(text.value);
});

function show(message: Message): void {
  switch (message.kind) {
    case "figures":
      showFigures(message.figures);
      break;
    case "text":
      continuation.append(message.text);
      break;
    case "failed":
      write("#state", message.reason);
      button.disabled = !message.canGoOn;
      break;
    case "ready":
    case "done":
      write("#state", message.kind);
      button.disabled = false;
  }
}

function showFigures({ position, speed, budget, kept }: Figures): void {
  write("#position", String(position));
  write("#speed", speed.toFixed(0));
  write("#cells", `${kept.length} of ${budget}`);
  write("#kept", describeRanges(kept));
}

/** `[0, 1, 2, 3, 97, 98]` → `0 to 3, 97 to 98`. */
function describeRanges(positions: readonly number[]): string {
  const starts = positions.filter((position, index) => position - 1 !== positions[index - 1]);
  const ends = positions.filter((position, index) => position + 1 !== positions[index + 1]);
  return starts.map((start, index) => `${start} to ${ends[index] ?? start}`).join(", ");
}

function write(selector: string, words: string): void {
  find(selector, HTMLElement).textContent = words;
}

function find<Kind extends Element>(selector: string, kind: new () => Kind): Kind {
  const element = document.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`The page has no ${selector}.`);
}
