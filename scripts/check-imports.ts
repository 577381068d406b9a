/**
 * Holds the house's rule of imports: they go down only (api, domain rooms, store, packages), rooms meet through their
 * `index.ts`, and nothing goes round in a circle. Prints what breaks it and exits 1.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

/** What each room of the server may import besides itself and what is `common`. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  store: [],
  lab: [],
  access: ['store'],
  hardware: ['store'],
  inventory: ['store'],
  audit: ['store'],
  provision: ['store', 'hardware', 'inventory'],
  cli: ['console'],
  networking: ['store', 'access', 'inventory'],
  console: ['store', 'access', 'hardware', 'inventory', 'audit'],
  scheduling: ['store', 'inventory', 'provision'],
  api: [
    'store',
    'access',
    'hardware',
    'inventory',
    'provision',
    'scheduling',
    'audit',
    'console',
    'networking',
  ],
}
/** Files beside the rooms that put them together. */
const assemblers = ['main.ts', 'demo.ts', 'first-start.ts', 'upkeep.ts']
const common = ['errors.ts', 'config.ts', 'addresses.ts', 'raw-answer.ts']

const files = ['packages', 'server'].flatMap((part) => globSync(`${part}/**/*.ts`, { cwd: root }))
const imports = new Map(files.map((file) => [file, importsOf(file)]))
const problems = [...files.flatMap(faultsOf), ...circles()]
if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`)
  process.exit(1)
}

/** Files that a file imports by relative path. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map((match) =>
    relative(root, join(root, dirname(file), match[1] as string)),
  )
}

function faultsOf(file: string): string[] {
  return (imports.get(file) ?? []).flatMap((target) => {
    const fault = faultOf(file, target)
    return fault ? [`${file} imports ${target}: ${fault}`] : []
  })
}

function faultOf(file: string, target: string): string | undefined {
  if (file.startsWith('packages/'))
    return target.startsWith(file.split('/').slice(0, 2).join('/'))
      ? undefined
      : 'a package knows only itself and other packages by name'
  const [from, to] = [roomOf(file), roomOf(target)]
  if (to === undefined) return 'packages are imported by name'
  if (from === to || from === '') return undefined
  if (to === '')
    return common.includes(target.slice('server/'.length))
      ? undefined
      : `only ${common.join(', ')} serve all rooms`
  const forTests = /\.test\.ts$|\/testing(\.ts$|\/)/.test(file)
  if (!forTests && !allowed[from as string]?.includes(to))
    return `${from} may import ${allowed[from as string]?.join(', ') || 'no other room'}`
  if (!/\/(index|testing)\.ts$/.test(target)) return 'rooms meet through index.ts'
  return undefined
}

/** `api` for a file in server/api, '' for one beside the rooms, undefined outside the server. */
function roomOf(file: string): string | undefined {
  const [part, room] = file.split('/')
  if (part !== 'server') return undefined
  if (!room?.endsWith('.ts')) return room
  return [...assemblers, ...common].includes(room.replace('.test.ts', '.ts')) ? '' : room
}

/** Circles of imports between rooms' files; type-only ones count too, for a reader they are circles just as well. */
function circles(): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const walk = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file)
    if (start >= 0) {
      found.push(`circle: ${[...trail.slice(start), file].join(' -> ')}`)
      return
    }
    if (done.has(file)) return
    for (const target of imports.get(file) ?? []) walk(target, [...trail, file])
    done.add(file)
  }
  for (const file of files) walk(file, [])
  return found
}
