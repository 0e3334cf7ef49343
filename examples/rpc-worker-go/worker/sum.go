// Package worker adds numbers. It knows no NATS, so a test needs no host.
package worker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Sum gives 6 for "1 2 3".
func Sum(text string) (int64, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return 0, errors.New("no numbers to add")
	}
	var sum int64
	for _, word := range words {
		number, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is no integer of 32 bits", word)
		}
		sum += number
	}
	return sum, nil
}
