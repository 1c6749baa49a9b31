/** A model that the paper's figure 10 is about. */
export interface PaperFigures {
  /** Its name in charts and tables. */
  readonly name: string;
  /** Time of recomputing at every token over that of StreamingLLM, by cache size. */
  readonly ratios: readonly { readonly budget: number; readonly ratio: number }[];
}

const BUDGETS = [256, 512, 1024, 2048, 4096];

/** Figure 10 of Xiao et al. (arXiv 2309.17453): Llama-2 in Hugging Face Transformers, one A6000, a recomputation at every token. */
export const PAPER_FIGURES: readonly PaperFigures[] = [
  paperFigures("paper, 7B (A6000)", [2.0, 3.3, 6.4, 11.6, 21.7]),
  paperFigures("paper, 13B (A6000)", [2.1, 3.3, 6.0, 11.5, 22.2]),
];

function paperFigures(name: string, ratios: readonly number[]): PaperFigures {
  return { name, ratios: ratios.map((ratio, index) => ({ budget: BUDGETS[index] ?? NaN, ratio })) };
}
