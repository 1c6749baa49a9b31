import { formatCount, formatMebibytes, formatNumber, NOTHING } from "../../report/numbers.js";
import type { TextTable } from "../../report/report-section.js";
import type { Interval } from "../../results/header.js";
import { BLOCK_TOKENS, NLL_TOLERANCE } from "./passes.js";
import type { SoakResults } from "./soak-results.js";
import { describeBounds, describeInterval, describeRange, formatDifference } from "./soak-words.js";

/** Rows of the tables of segments and passes. */
const MOST_ROWS = 20;

/** The figures that are judged. */
export function verdictTable({ latency, sideBySide, memory, likelihood }: SoakResults): TextTable {
  const rows: string[][] = [];
  if (sideBySide)
    rows.push(["old : young stream", ...ratioCells(sideBySide.ratio), describeBounds(), sideBySide.verdict]);
  if (latency)
    rows.push(["last : first tenth", ...ratioCells(latency.ratio), describeBounds(), latency.verdict]);
  if (memory) {
    const change = (memory.late.residentBytes - memory.early.residentBytes) / 2 ** 20;
    rows.push([
      "memory, change (MiB)",
      change.toFixed(1),
      NOTHING,
      `±${formatMebibytes(memory.allowedBytes)}`,
      memory.verdict,
    ]);
  }
  if (likelihood)
    rows.push([
      "largest NLL difference (nats)",
      formatDifference(likelihood.largest.difference),
      NOTHING,
      `±${NLL_TOLERANCE}`,
      likelihood.verdict,
    ]);
  return {
    caption: "What stayed",
    columns: ["figure", "value", "95 % interval", "allowed", "verdict"],
    rows,
  };
}

/** The curves. */
export function segmentTable({ segments }: SoakResults): TextTable {
  const shown = thin(segments);
  return {
    caption: describeThinning("Segments of the soak", shown.length, segments.length),
    columns: ["tokens", "ms/token", "p50", "p95", "resident memory (MiB)", "cells"],
    rows: shown.map(({ start, end, milliseconds, residentBytes, peakCells }) => [
      describeRange({ start, end }),
      formatNumber(milliseconds?.mean),
      formatNumber(milliseconds?.p50),
      formatNumber(milliseconds?.p95),
      formatMebibytes(residentBytes),
      formatCount(peakCells),
    ]),
  };
}

/** The passes. */
export function passTable({ passes }: SoakResults): TextTable {
  const shown = thin(passes);
  return {
    caption: describeThinning("Passes of the text", shown.length, passes.length),
    columns: ["pass", "tokens", "mean NLL (nats)", "pass − pass 2 (nats)", "95 % interval"],
    rows: shown.map(({ pass, blocks, meanNll, difference, interval }) => [
      String(pass),
      formatCount(blocks * BLOCK_TOKENS),
      formatNumber(meanNll, 5),
      difference === null ? NOTHING : formatDifference(difference),
      describeInterval(interval, (value) => formatDifference(value)),
    ]),
  };
}

/** At most so many rows, the first and the last among them. */
function thin<Row>(rows: readonly Row[]): readonly Row[] {
  if (rows.length <= MOST_ROWS) return rows;
  return Array.from({ length: MOST_ROWS }, (_, index) => {
    return rows[Math.round((index * (rows.length - 1)) / (MOST_ROWS - 1))];
  }).filter((row) => row !== undefined);
}

function describeThinning(caption: string, shown: number, all: number): string {
  return shown === all ? caption : `${caption} (${shown} of ${all})`;
}

function ratioCells({
  value,
  interval,
}: {
  readonly value: number;
  readonly interval: Interval | null;
}): string[] {
  return [value.toFixed(3), describeInterval(interval, (bound) => bound.toFixed(3))];
}
