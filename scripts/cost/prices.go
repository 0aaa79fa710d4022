package main

import "github.com/nonstick-io/nonstick/internal/prices"

// priceList is the list of prices, for bills.
type priceList struct{ prices.List }

// readPrices reads the list.
func readPrices() (priceList, error) {
	l, err := prices.Read()
	return priceList{l}, err
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

// of is what a line costs, in dollars.
func (p priceList) of(it item) float64 { return p.Of(it.price, it.quantity) }

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
