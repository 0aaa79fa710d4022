package memstore

// Recount weighs everything anew: it must be what Bytes says.
func (s *Store) Recount() int64 {
	var n int64
	for i := range s.sessions {
		st := &s.sessions[i]
		st.mu.Lock()
		for _, e := range st.entries {
			for _, k := range e.kept {
				k.bytes = len(k.auth) + weighData(k.data)
				for room := range k.rooms {
					k.bytes += weighRoom(string(room))
				}
			}
			e.ackBytes = 0
			for _, a := range e.acks {
				e.ackBytes += ackWeight + len(a.row.State)
				for _, frame := range a.row.Answer {
					e.ackBytes += len(frame)
				}
			}
			n += int64(e.weigh())
		}
		for _, c := range st.connections {
			n += weighConnection(c.row)
		}
		st.mu.Unlock()
	}
	s.children.mu.Lock()
	defer s.children.mu.Unlock()
	for parent, t := range s.children.tables {
		for name := range t.rows {
			n += weighChild(parent, name)
		}
	}
	for _, row := range s.asks.rows {
		n += row.bytes
	}
	for i := range s.timers.shards {
		for _, t := range s.timers.shards[i].rows {
			n += weighTimer(&t)
		}
	}
	for key, h := range s.histories.rooms {
		n += key.weigh()
		for i := range h.events {
			n += weighEvent(&h.events[i])
		}
	}
	for key := range s.histories.marks {
		n += key.weigh()
	}
	for nsp := range s.histories.kept {
		n += int64(historyWeight + len(nsp))
	}
	return n
}
