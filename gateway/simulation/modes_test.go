package simulation

// allModes are the kinds of schedules; one may be of several.
var allModes = []string{
	"at once", "line", "line with jitter", "parts", "serial", "tight", "copies", "no fault", "of one client",
	"of batches", "ends by the closer", "ends by a pool", "ends by a queue", "recovery", "no recovery",
	"calls that take time",
}

// modes are those of a schedule.
func (r *run) modes() (modes []string) {
	for mode, is := range map[string]bool{
		"at once": r.line == nil, "line": r.line != nil, "line with jitter": r.line != nil && r.line.jitter,
		"parts":  r.parts != nil,
		"serial": r.serial, "tight": r.tight, "copies": r.copies, "no fault": r.w.faultless(),
		"of one client": r.w.victim != "", "of batches": r.w.focus != "",
		"ends by the closer": r.handover == byCloser, "ends by a pool": r.handover == byPool,
		"ends by a queue": r.handover == byQueue, "recovery": len(r.backs) > 0, "no recovery": len(r.backs) == 0,
		"calls that take time": r.w.slowed,
	} {
		if is {
			modes = append(modes, mode)
		}
	}
	return modes
}
