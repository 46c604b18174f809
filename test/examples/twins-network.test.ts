// The tests of the network examples once more, with their kernel sides in TypeScript.
import { useTwins } from '../helpers/example.js'

useTwins()
await import('./network.test.js')
