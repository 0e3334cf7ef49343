package worker

import (
	"strings"
	"testing"
)

func TestNumbersAreAdded(t *testing.T) {
	for text, want := range map[string]int64{"1 2 3": 6, " -4\n4 ": 0} {
		if got, err := Sum(text); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestWhatIsNoIntegerIsNamed(t *testing.T) {
	if _, err := Sum("1 two"); err == nil || !strings.Contains(err.Error(), `"two"`) {
		t.Error(err)
	}
	if _, err := Sum(""); err == nil {
		t.Error("nothing was added up")
	}
}
