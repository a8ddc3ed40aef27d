// Names across files are the type checker's matter: the scripts are joined into one.
export default [
  {
    languageOptions: { ecmaVersion: 2022, sourceType: "script" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error", curly: ["error", "multi-line"], "default-case-last": "error", eqeqeq: "error",
      "for-direction": "error", "getter-return": "error", "max-len": ["error", { code: 160 }], "no-alert": "error",
      "no-caller": "error", "no-compare-neg-zero": "error", "no-cond-assign": "error", "no-const-assign": "error",
      "no-constant-binary-expression": "error", "no-debugger": "error", "no-dupe-args": "error",
      "no-dupe-else-if": "error", "no-dupe-keys": "error", "no-duplicate-case": "error", "no-empty": "error",
      "no-eval": "error", "no-ex-assign": "error", "no-fallthrough": "error", "no-func-assign": "error",
      "no-implied-eval": "error", "no-loss-of-precision": "error", "no-new-func": "error", "no-redeclare": "error",
      "no-self-assign": "error", "no-self-compare": "error", "no-shadow": "error", "no-sparse-arrays": "error",
      "no-unreachable": "error", "no-unsafe-finally": "error",
      "no-unused-expressions": "error", "no-unused-vars": ["error", { vars: "local", args: "after-used" }],
      "no-useless-return": "error", "no-var": "error", "prefer-const": ["error", { destructuring: "all" }],
      "use-isnan": "error", "valid-typeof": "error",
    },
  },
];
