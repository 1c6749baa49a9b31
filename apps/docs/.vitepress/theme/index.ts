import { defineClientComponent, type Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";

import KeptAndLost from "./KeptAndLost.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component("KeptAndLost", KeptAndLost);
    // Loaded where it stands: other pages do not pay for it.
    app.component(
      "Playground",
      defineClientComponent(() => import("../../playground/Playground.vue")),
    );
  },
} satisfies Theme;
