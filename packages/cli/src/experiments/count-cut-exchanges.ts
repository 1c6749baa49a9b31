import type { ChatHistoryItem } from "node-llama-cpp";

/**
 * Exchanges of which a model sees a part and not the whole: a message with its answer of which one is missing, or not as it was.
 *
 * @param seen - What the model sees.
 * @param said - The whole conversation.
 */
export function countCutExchanges(
  seen: readonly ChatHistoryItem[],
  said: readonly ChatHistoryItem[],
): number {
  let cut = 0;
  let next = seen.length - 1;
  for (const exchange of splitExchanges(said).reverse()) {
    // From the end: what leaves first is what was said first.
    const kept = exchange.toReversed().flatMap((item) => {
      const other = seen[next];
      if (other?.type !== item.type) return [];
      next -= 1;
      return [textOf(other) === textOf(item)];
    });
    const isWhole = kept.length === exchange.length && kept.every(Boolean);
    if (kept.length > 0 && !isWhole) cut += 1;
  }
  return cut;
}

/** Messages with what was said up to the next one. What stands in front of the first is no exchange. */
function splitExchanges(said: readonly ChatHistoryItem[]): ChatHistoryItem[][] {
  const exchanges: ChatHistoryItem[][] = [];
  for (const item of said) {
    if (item.type === "user") exchanges.push([item]);
    else exchanges.at(-1)?.push(item);
  }
  return exchanges;
}

function textOf(item: ChatHistoryItem): string {
  if (item.type !== "model") return JSON.stringify(item.text);
  return item.response.map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join("");
}
