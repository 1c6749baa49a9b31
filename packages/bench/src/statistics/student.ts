/** The 97.5 % quantile of the normal distribution: an interval of 95 % reaches as many standard errors to each side. */
export const NORMAL_QUANTILE = 1.959963984540054;

const CONFIDENCE = 0.95;

/**
 * The 97.5 % quantile of Student's t: what takes the place of {@link NORMAL_QUANTILE} where the standard error is itself estimated
 * from few values.
 *
 * @param degrees - Degrees of freedom, a whole number of at least 1.
 */
export function studentQuantile(degrees: number): number {
  let below = 0;
  let above = Math.PI / 2;
  for (;;) {
    const angle = (below + above) / 2;
    // Neighbouring numbers: nothing lies between them.
    if (angle <= below || angle >= above) return Math.sqrt(degrees) * Math.tan(below);
    if (centralProbability(angle, degrees) < CONFIDENCE) below = angle;
    else above = angle;
  }
}

/**
 * How likely |t| is below √degrees · tan(angle): the finite series for whole degrees of freedom, Abramowitz and Stegun 26.7.3 and
 * 26.7.4.
 */
function centralProbability(angle: number, degrees: number): number {
  const isOdd = degrees % 2 === 1;
  const squaredCosine = Math.cos(angle) ** 2;
  let term = isOdd ? Math.cos(angle) : 1;
  let sum = 0;
  for (let power = isOdd ? 1 : 0; power <= degrees - 2; power += 2) {
    sum += term;
    term *= squaredCosine * ((power + 1) / (power + 2));
  }
  const product = Math.sin(angle) * sum;
  return isOdd ? (2 / Math.PI) * (angle + product) : product;
}
