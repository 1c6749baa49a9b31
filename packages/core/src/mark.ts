/** A named range that travels with its tokens. In a {@link CacheView} the bounds are cache indices; everywhere else, stream positions. */
export interface Mark {
  /** What the range is: `bos`, `pinned`, `turn`, or a name of your own. */
  readonly name: string;
  /** First position, included. */
  readonly start: number;
  /** Last position, excluded. */
  readonly end: number;
}

/** Name of the mark on the beginning-of-sequence token that an adapter puts first. */
export const BOS_MARK = "bos";

/** Name of the mark on cells that no plan may evict: a plan that touches one is refused. */
export const PINNED_MARK = "pinned";

/** Name of the mark on the first token of a turn, one cell long. A turn reaches to the next one, or to the end of the stream. */
export const TURN_MARK = "turn";
