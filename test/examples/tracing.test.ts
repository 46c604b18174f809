import { tracingExamples } from './tracing.js'

tracingExamples('C')
