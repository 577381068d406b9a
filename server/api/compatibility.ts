/** Draws the table of routes in docs/compatibility.md from their rows: `node server/api/compatibility.ts`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { defaultConfig } from '../config.ts'
import { baremetalRoutes } from './app.ts'
import type { Route } from './baremetal/routes.ts'
import type { ApiDeps } from './deps.ts'

if (import.meta.main) {
  const path = new URL('../../docs/compatibility.md', import.meta.url)
  const page = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    page.replace(
      /\| route \| since [\s\S]*?\n\n/,
      () => `${compatibilityTable(baremetalRoutes({ config: defaultConfig() } as ApiDeps))}\n\n`,
    ),
  )
}

/** One row a path: its methods, each with its first microversion where that is not 1.1, and the rules they may check. */
export function compatibilityTable(routes: readonly Route[]): string {
  const paths = Map.groupBy(routes, (route) => route.path)
  const rows = [...paths].map(([path, methods]) => {
    const rules = new Set<string>(
      methods.flatMap((route) => (route.rules === 'public' ? ['public'] : [...route.rules])),
    )
    // Every route below a node checks this one first.
    rules.delete('baremetal:node:get')
    const since = methods.map(
      (route) => `${route.method}${route.since && route.since > 1 ? ` 1.${route.since}` : ''}`,
    )
    const shown = [...rules].map((rule) => `\`${rule.replace(/^baremetal:/, '')}\``)
    return `| \`${path}\` | ${since.join(', ')} | ${shown.length > 8 ? `${shown.length} rules, by field` : shown.join(' ')} |`
  })
  return ['| route | since | rules |', '| --- | --- | --- |', ...rows].join('\n')
}
