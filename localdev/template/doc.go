// Package template reads a SAM template for what can run on a laptop: functions, the routes of an HTTP API and of a
// WebSocket API, queues and what they feed, schedules and tables. It evaluates the intrinsic functions that it meets on
// the way (Ref, Sub, GetAtt, Join, Select, Split, If and conditions) with the names that local resources have. It does
// not look at what nothing here needs, for instance a role's policies.
//
// An error names the file, the line and the resource. What a template asks for and localdev does not emulate is a note.
package template
