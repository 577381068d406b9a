/** The commands of `bin/leasehold` that need no part of the service: they start without it. */
import { consoleCommand } from './console.ts'

const [command, ...words] = process.argv.slice(2)
if (command !== 'console') throw new Error('bin/leasehold starts this with the command console only')
process.exit(await consoleCommand(words, process.env))
