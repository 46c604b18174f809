import { networkExamples } from './network.js'

networkExamples('C')
