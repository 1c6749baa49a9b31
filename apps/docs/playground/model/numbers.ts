/** What stands where there is no number yet. */
export const NOTHING = "–";

/** A number with three significant digits, thousands separated. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NOTHING;
  return new Intl.NumberFormat("en", {
    minimumSignificantDigits: Math.abs(value) < 1000 ? 3 : undefined,
    maximumSignificantDigits: 3,
  }).format(value);
}

/** A whole number, thousands separated. */
export function formatCount(value: number): string {
  return new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(value);
}

/** A share as per cents: `79 %`, `0.4 %`. */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return NOTHING;
  const percent = share * 100;
  if (percent > 0 && percent < 0.05) return "< 0.1 %";
  return `${percent.toFixed(percent < 9.95 ? 1 : 0)} %`;
}
