// The network examples once more, with their kernel sides in TypeScript.
import { networkExamples } from './network.js'

networkExamples('TypeScript')
