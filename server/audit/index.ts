/** The audit: who did what to what, with which outcome. */

export { type AuditFilters, type AuditRow, type AuditVisible, listAudit, purgeAudit } from './audit.sql.ts'
export { createRecorder, type Recorder } from './recorder.ts'
