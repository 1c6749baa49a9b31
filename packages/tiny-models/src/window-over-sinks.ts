/**
 * Perplexity of window attention over that of four sinks, at stride 1 and a budget of 96 cells, between which an engine must come
 * out on two stretches of about 240 tokens each, by the name of the model: the collapse of `sink`, and that the others have none.
 */
export const windowOverSinks: Readonly<
  Record<string, { readonly atLeast: number; readonly atMost: number } | undefined>
> = {
  sink: { atLeast: 3, atMost: 12 },
  plain: { atLeast: 0.98, atMost: 1.02 },
  "zero-sink": { atLeast: 1, atMost: 1.3 },
  natural: { atLeast: 1.005, atMost: 1.3 },
};
