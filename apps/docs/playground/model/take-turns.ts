/** What takes turns in reading. */
export interface TurnTaker {
  readonly status: "reading" | "complete" | "failed";
  /** Tokens read so far. */
  readonly read: number;
  readTo(end: number, signal: AbortSignal): Promise<void>;
}

/** Tokens that one reads before the next has its turn: so few that curves grow side by side. */
const TURN = 8;

/**
 * Lets readers read in turns until all are done or the signal aborts. The one that has read least is next, so that all go on side by
 * side, and one that came later catches up.
 *
 * @param onTurn - Called after each turn.
 */
export async function takeTurns(
  readers: readonly TurnTaker[],
  signal: AbortSignal,
  onTurn: () => void,
): Promise<void> {
  for (let next = findNext(readers); next && !signal.aborted; next = findNext(readers)) {
    await next.readTo(next.read + TURN, signal);
    onTurn();
  }
}

function findNext(readers: readonly TurnTaker[]): TurnTaker | undefined {
  return readers
    .filter(({ status }) => status === "reading")
    .reduce<TurnTaker | undefined>(
      (least, one) => (least && least.read <= one.read ? least : one),
      undefined,
    );
}
