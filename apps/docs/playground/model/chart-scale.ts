/** The scale of a chart's axis: from the least to the greatest value that it shows. */
export interface Domain {
  readonly least: number;
  readonly greatest: number;
}

/** Values on which a logarithmic axis may begin, end and have a line, within a decade. */
const STEPS = [1, 2, 5];

/** The smallest logarithmic axis that shows all values and begins and ends on a round one; at least a factor of ten. */
export function logarithmicDomain(values: readonly number[]): Domain {
  const shown = values.filter((value) => Number.isFinite(value) && value > 0);
  if (shown.length === 0) return { least: 10, greatest: 1000 };
  const least = roundDown(Math.min(...shown));
  const greatest = roundUp(Math.max(...shown));
  return { least, greatest: Math.max(greatest, least * 10) };
}

/** The round values of a logarithmic axis: every step where there are few, else the powers of ten. */
export function logarithmicTicks({ least, greatest }: Domain): number[] {
  const ticks: number[] = [];
  for (let decade = 10 ** Math.floor(Math.log10(least) + 1e-9); decade <= greatest; decade *= 10)
    ticks.push(...STEPS.map((step) => step * decade));
  const within = ticks.filter((tick) => tick >= least * 0.999 && tick <= greatest * 1.001);
  return within.length <= 7 ? within : within.filter((tick) => Number.isInteger(Math.log10(tick)));
}

/** At most `most` round values of an axis that begins at 0, the last one within it. */
export function linearTicks(greatest: number, most: number): number[] {
  let step = 1;
  for (let index = 1; greatest / step > most; index += 1)
    step = (STEPS[index % STEPS.length] ?? 1) * 10 ** Math.floor(index / STEPS.length);
  return Array.from({ length: Math.floor(greatest / step) + 1 }, (_, index) => index * step);
}

/** Where a value lies on a logarithmic axis: 0 at its least, 1 at its greatest value. */
export function logarithmicShare({ least, greatest }: Domain, value: number): number {
  return Math.log(value / least) / Math.log(greatest / least);
}

/** Moves places apart, so that two are `distance` from each other, within a range and as little as it takes. Their order stays. */
export function spreadApart(places: readonly number[], distance: number, end: number): number[] {
  const order = places
    .map((_, index) => index)
    .sort((one, other) => (places[one] ?? 0) - (places[other] ?? 0));
  const result = [...places];
  let next = -Infinity;
  for (const index of order) {
    result[index] = Math.max(places[index] ?? 0, next);
    next = result[index] + distance;
  }
  let limit = end;
  for (const index of order.toReversed()) {
    result[index] = Math.min(result[index] ?? 0, limit);
    limit = result[index] - distance;
  }
  return result;
}

function roundDown(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  return (STEPS.findLast((step) => step * decade <= value) ?? 1) * decade;
}

function roundUp(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  return ([...STEPS, 10].find((step) => step * decade >= value) ?? 10) * decade;
}
