export { AerakiError } from './errors.ts'
