export { chooseRuntime, runtimePreferences } from './runtime-choice.ts'
export type { ChooseRuntimeOptions, RuntimeChoice, RuntimeName, RuntimePreference } from './runtime-choice.ts'
