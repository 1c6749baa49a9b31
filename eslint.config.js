import javascript from "@eslint/js";
import jsdoc from "eslint-plugin-jsdoc";
import vue from "eslint-plugin-vue";
import { defineConfig, globalIgnores } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig(
  globalIgnores([
    "**/dist/**",
    "**/node_modules/**",
    "training/**",
    "kvpolicy-results/**",
    "apps/docs/api/**",
    "apps/docs/.vitepress/{cache,dist}/**",
  ]),
  javascript.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [typescript.configs.strictTypeChecked, typescript.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "no-restricted-syntax": [
        "error",
        {
          selector: "ExportAllDeclaration",
          message: "Name what is exported, so that an API change shows in the diff.",
        },
      ],
    },
  },
  {
    // Types of components are checked by vue-tsc: here their templates are read, and their scripts without types.
    files: ["**/*.vue"],
    extends: [typescript.configs.strict, vue.configs["flat/recommended"]],
    languageOptions: { parserOptions: { parser: typescript.parser } },
    rules: {
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/html-self-closing": ["error", { html: { void: "always" } }],
      "vue/html-indent": "off",
      "vue/html-closing-bracket-newline": "off",
      "no-undef": "off",
    },
  },
  {
    // An example's own configuration is that of a package outside, which sees built packages.
    files: ["examples/**/*.ts"],
    languageOptions: { parserOptions: { projectService: false, project: "./tsconfig.json" } },
  },
  {
    files: ["{packages,examples}/**/src/**/*.ts"],
    ignores: ["**/*.test.ts"],
    extends: [jsdoc.configs["flat/recommended-typescript-error"]],
    rules: {
      "jsdoc/require-jsdoc": [
        "error",
        {
          publicOnly: true,
          contexts: [
            "TSInterfaceDeclaration",
            "TSTypeAliasDeclaration",
            "TSPropertySignature",
            "TSMethodSignature",
          ],
        },
      ],
      "jsdoc/require-param": "off",
      "jsdoc/require-returns": "off",
      "jsdoc/require-yields": "off",
      // TypeDoc's tags: the name of a package, and types to be shown resolved.
      "jsdoc/check-tag-names": ["error", { typed: false, definedTags: ["useDeclaredType"] }],
      "jsdoc/tag-lines": ["error", "any", { startLines: 1 }],
    },
  },
  {
    // In a forward pass every access of a typed array would need a default, where a wrong index should show as NaN.
    files: [
      "**/*.test.ts",
      "**/testing/**/*.ts",
      "benchmarks/**/*.ts",
      "packages/reference-backend/src/**/*.ts",
    ],
    rules: { "@typescript-eslint/no-non-null-assertion": "off" },
  },
);
