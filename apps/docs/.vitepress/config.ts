import { readFileSync } from "node:fs";
import { env } from "node:process";

import { defineConfig, type DefaultTheme } from "vitepress";

// Made by TypeDoc, which runs first: `npm run api`.
const apiSidebar = JSON.parse(
  readFileSync(new URL("../api/typedoc-sidebar.json", import.meta.url), "utf8"),
) as DefaultTheme.SidebarItem[];

const guide: DefaultTheme.SidebarItem[] = [
  {
    text: "Begin",
    items: [
      { text: "What and why", link: "/guide/what-and-why" },
      { text: "Quick start", link: "/guide/quick-start" },
      { text: "Choosing a policy", link: "/guide/choosing-a-policy" },
    ],
  },
  {
    text: "Go further",
    items: [
      { text: "Write your own policy", link: "/guide/write-your-own-policy" },
      { text: "Adopt it in another backend", link: "/guide/adopt-in-another-backend" },
      { text: "Models and limits", link: "/guide/models-and-limits" },
      { text: "Measuring", link: "/guide/measuring" },
    ],
  },
  {
    text: "Know",
    items: [
      { text: "The paper in these terms", link: "/guide/the-paper" },
      { text: "Glossary", link: "/guide/glossary" },
      { text: "Questions", link: "/guide/questions" },
    ],
  },
];

// The site may lie in a folder of its host, as a project's pages do.
const base = env["KVPOLICY_DOCS_BASE"] ?? "/";

export default defineConfig({
  title: "kvpolicy",
  description:
    "Pluggable KV-cache policies: let a language model read and write for ever in constant memory.",
  base,
  head: [
    // Nobody but this host is asked for anything, by typed code neither: workers of the playground inherit it.
    [
      "meta",
      {
        "http-equiv": "Content-Security-Policy",
        content: "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'",
      },
    ],
    ["link", { rel: "icon", type: "image/svg+xml", href: `${base}logo.svg` }],
  ],
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ["README.md", "api-introduction.md"],
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
  },
  themeConfig: {
    logo: "/logo.svg",
    nav: [
      { text: "Guide", link: "/guide/what-and-why", activeMatch: "/guide/" },
      { text: "Playground", link: "/playground" },
      { text: "API", link: "/api/", activeMatch: "/api/" },
      { text: "GitHub", link: "https://github.com/kvpolicy/kvpolicy" },
    ],
    sidebar: {
      "/guide/": guide,
      "/api/": [{ text: "API", items: apiSidebar }],
    },
    search: { provider: "local" },
    outline: [2, 3],
    footer: {
      message: "It does not extend what the model can remember: evicted text is gone. MIT licence.",
    },
  },
  vite: {
    // The site shows the source, as tests do: nothing has to be built first.
    resolve: { conditions: ["@kvpolicy/source", "module", "browser", "development|production"] },
    ssr: { resolve: { conditions: ["@kvpolicy/source", "module", "node", "development|production"] } },
    worker: { format: "es" },
  },
});
