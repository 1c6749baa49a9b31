/** What stands where there is no number. */
export const NOTHING = "–";

/** A number with about this many significant digits, in plain notation with thousands separated. */
export function formatNumber(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  if (value !== 0 && Math.abs(value) >= 1e9) return value.toExponential(digits - 1);
  // Of the rounded value: 9.999 has as many digits as 10.
  const rounded = Math.abs(Number(value.toPrecision(digits)));
  const magnitude = rounded === 0 ? 0 : Math.floor(Math.log10(rounded));
  const decimals = Math.max(0, Math.min(6, digits - 1 - magnitude));
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** A whole number with thousands separated. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Bytes in MiB. */
export function formatMebibytes(bytes: number | null): string {
  return bytes === null ? NOTHING : formatNumber(bytes / 2 ** 20);
}

/** A duration in words: `45 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return NOTHING;
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A number of times: `8.12×`. */
export function formatTimes(value: number | null): string {
  return value === null ? NOTHING : `${formatNumber(value)}×`;
}

/** An interval: `1.83 … 1.91`. */
export function formatInterval(interval: { readonly lower: number; readonly upper: number } | null): string {
  return interval ? `${formatNumber(interval.lower)} … ${formatNumber(interval.upper)}` : NOTHING;
}
