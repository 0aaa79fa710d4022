package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed prices.json
var pricesFile []byte

// price is what so many of a unit cost.
type price struct {
	USD    float64 `json:"usd"`
	Per    float64 `json:"per"`
	Unit   string  `json:"unit"`
	What   string  `json:"what"`
	Source string  `json:"source"`
}

// priceList is prices.json.
type priceList struct {
	Read   string           `json:"read"` // the date
	Region string           `json:"region"`
	Note   string           `json:"note"`
	Prices map[string]price `json:"prices"`
}

// prices reads prices.json.
func prices() (priceList, error) {
	var p priceList
	if err := json.Unmarshal(pricesFile, &p); err != nil {
		return p, fmt.Errorf("read prices.json: %w", err)
	}
	return p, nil
}

// item is one line of a bill.
type item struct {
	name     string // of what it is for
	price    string // its key in the list
	quantity float64
}

// bill is what something costs.
type bill []item

// add adds a line, unless there is nothing of it.
func (b *bill) add(name, price string, quantity float64) {
	if quantity != 0 {
		*b = append(*b, item{name, price, quantity})
	}
}

// times is a bill for so many of it.
func (b bill) times(n float64) bill {
	out := make(bill, len(b))
	for i, it := range b {
		out[i] = item{it.name, it.price, it.quantity * n}
	}
	return out
}

// of is what a line costs, in dollars. It panics at a price that is not in the list: that is a mistake here.
func (p priceList) of(it item) float64 {
	x, ok := p.Prices[it.price]
	if !ok {
		panic("no price " + it.price)
	}
	return it.quantity * x.USD / x.Per
}

// total is what a bill comes to.
func (p priceList) total(b bill) (sum float64) {
	for _, it := range b {
		sum += p.of(it)
	}
	return sum
}

// named is what the lines of one name come to.
func (p priceList) named(b bill, name string) (sum float64) {
	for _, it := range b {
		if it.name == name {
			sum += p.of(it)
		}
	}
	return sum
}
