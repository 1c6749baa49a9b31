// The default export is what the command takes: `kvpolicy stream --policy ./dist/index.js`.
export { rareTokens as default, rareTokens, type RareTokensOptions } from "./rare-tokens.js";
