/** Puts the diagram and the table of states into docs/provisioning.md: `node server/provision/draw.ts`. */
import { readFile, writeFile } from 'node:fs/promises'
import { mermaidDiagram, stateTable } from './diagram.ts'

const path = new URL('../../docs/provisioning.md', import.meta.url)
const page = await readFile(path, 'utf8')
const drawn = page
  .replace(/```mermaid\n[\s\S]*?```/, () => `\`\`\`mermaid\n${mermaidDiagram()}\`\`\``)
  .replace(/\| state \| kind \|[\s\S]*?\n\n/, () => `${stateTable()}\n`)
await writeFile(path, drawn)
