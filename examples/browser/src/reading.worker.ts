import { loadModel, openStream } from "@kvpolicy/reference-backend";
import { sinkWindow } from "@kvpolicy/sink-window";
import { tinyModels } from "@kvpolicy/tiny-models";

/** What the worker tells the page. */
export type Message =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly reason: string; readonly canGoOn: boolean }
  | { readonly kind: "figures"; readonly figures: Figures }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "done" };

/** How far a stream is. */
export interface Figures {
  /** Tokens in the stream. */
  readonly position: number;
  /** Tokens read a second. */
  readonly speed: number;
  /** Most cells in use. */
  readonly budget: number;
  /** Stream positions of the tokens in the cells. */
  readonly kept: readonly number[];
}

const model = await loadModel(tinyModels.sink.url).catch((error: unknown) => {
  tell({ kind: "failed", reason: String(error), canGoOn: false });
  throw error;
});

self.addEventListener("message", ({ data }: MessageEvent<string>) => {
  read(data).catch((error: unknown) => {
    tell({ kind: "failed", reason: String(error), canGoOn: true });
  });
});
tell({ kind: "ready" });

async function read(text: string): Promise<void> {
  const begun = performance.now();
  await using stream = openStream(model, { policy: sinkWindow(), budget: 128 });
  const tellFigures = (): void => {
    const { position, budget } = stream;
    const speed = position / ((performance.now() - begun) / 1000);
    tell({ kind: "figures", figures: { position, speed, budget, kept: [...stream.cells().positions] } });
  };
  await stream.appendText(text, { onStep: tellFigures });
  for await (const token of stream.generate({ maxTokens: 60, temperature: 0.7 })) {
    tell({ kind: "text", text: token.text });
    tellFigures();
  }
  tell({ kind: "done" });
}

function tell(message: Message): void {
  self.postMessage(message);
}
