/** A file as text, the way vitest imports it. */
declare module "*?raw" {
  const text: string;
  export default text;
}
