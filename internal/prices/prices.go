// Package prices has the list prices of AWS, and of what it is compared with, for programs of this repository that say
// what something costs. They are in prices.json, each with its source.
package prices

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed prices.json
var file []byte

// Price is what so many of a unit cost.
type Price struct {
	USD    float64 `json:"usd"`
	Per    float64 `json:"per"`
	Unit   string  `json:"unit"`
	What   string  `json:"what"`
	Source string  `json:"source"` // a URL
}

// List is prices.json.
type List struct {
	Read   string           `json:"read"` // the date, as 2026-01-31
	Region string           `json:"region"`
	Note   string           `json:"note"`
	Prices map[string]Price `json:"prices"`
}

// Read reads the list. Its error is a mistake in the file.
func Read() (List, error) {
	var l List
	if err := json.Unmarshal(file, &l); err != nil {
		return l, fmt.Errorf("read prices.json: %w", err)
	}
	return l, nil
}

// Of is what so many of something cost, in dollars. It panics at a price that is not in the list: that is a mistake of
// the program.
func (l List) Of(key string, quantity float64) float64 {
	p, ok := l.Prices[key]
	if !ok {
		panic("prices: no price " + key)
	}
	return quantity * p.USD / p.Per
}
