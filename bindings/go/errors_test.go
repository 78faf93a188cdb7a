package aspen

import (
	"os"
	"strings"
	"testing"
)

func TestEveryCodeHasAName(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range errorTable {
		if !strings.Contains(string(source), `= codeNamed("`+row.name+`")`) {
			t.Errorf("errors.go has no variable for %s", row.name)
		}
	}
}
