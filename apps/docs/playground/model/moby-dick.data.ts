import { cutExcerpt } from "./moby-dick.js";

/** The excerpt, cut when the site is built: VitePress runs `load` then, and what it answers is `data` in the page. */
export default { load: cutExcerpt };

export declare const data: string;
