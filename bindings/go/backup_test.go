package aspen

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func fill(t testing.TB, kv *KV) map[string]string {
	t.Helper()
	for i := 0; i < 100; i++ {
		put(t, kv, fmt.Sprint("k", i), fmt.Sprint("v", i))
	}
	if _, err := kv.Delete(background(t), []byte("k50")); err != nil {
		t.Fatal(err)
	}
	if err := kv.SetQuota(background(t), Quota{Prefix: []byte("q/"), KeysMax: 5}); err != nil {
		t.Fatal(err)
	}
	return contents(t, kv.Range(background(t), RangeOptions{}))
}

func TestANewNodeBeginsWithABackup(t *testing.T) {
	ctx, dir := background(t), t.TempDir()
	node := embedded(t)
	before, backup := fill(t, node.KV()), filepath.Join(dir, "backup")
	manifest, err := node.Backup(ctx, backup)
	if err != nil || manifest.Keys != 99 || manifest.Revision == 0 || len(manifest.JSON) == 0 {
		t.Fatalf("got %+v, %v", manifest, err)
	}
	put(t, node.KV(), "later", "v")
	_, err = node.Backup(ctx, backup)
	wantCode(t, err, ErrAlreadyExists)

	options := NodeOptions{RestoreFrom: backup}
	restored, err := Open(ctx, filepath.Join(dir, "b"), options)
	closing(t, restored, err)
	wantContents(t, restored.KV().Range(ctx, RangeOptions{}), before)
	if quotas, err := restored.KV().Quotas(ctx); err != nil || len(quotas) != 1 {
		t.Errorf("got %+v, %v", quotas, err)
	}
	if revision := put(t, restored.KV(), "new", "v"); revision <= manifest.Revision {
		t.Errorf("got %d after %d", revision, manifest.Revision)
	}
	founder, err := Found(ctx, MemberOptions{Dir: filepath.Join(dir, "c"), Listen: anyPort, NodeOptions: options})
	closing(t, founder, err)
	wantContents(t, founder.KV().Range(ctx, RangeOptions{}), before)
	_, err = Open(ctx, filepath.Join(dir, "d"), NodeOptions{RestoreFrom: filepath.Join(dir, "none")})
	wantCode(t, err, ErrNotFound)
}

func TestBackupAsAStream(t *testing.T) {
	ctx, dir := background(t), t.TempDir()
	node := embedded(t)
	before := fill(t, node.KV())
	archive, err := os.Create(filepath.Join(dir, "backup.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if _, err := node.BackupTo(ctx, archive, BackupStale()); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup")
	if err := os.Mkdir(backup, 0o755); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("tar", "-xf", archive.Name(), "-C", backup).CombinedOutput(); err != nil {
		t.Fatal(err, string(output))
	}
	restored, err := Open(ctx, filepath.Join(dir, "b"), NodeOptions{RestoreFrom: backup})
	closing(t, restored, err)
	wantContents(t, restored.KV().Range(ctx, RangeOptions{}), before)
}

func TestVerify(t *testing.T) {
	ctx, dir := background(t), t.TempDir()
	data, backup := filepath.Join(dir, "a"), filepath.Join(dir, "backup")
	node, err := Open(ctx, data)
	closing(t, node, err)
	fill(t, node.KV())
	if _, err := node.Backup(ctx, backup); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(ctx, data)
	wantCode(t, err, ErrInUse)
	if err := node.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dir, kind string }{{data, "node"}, {backup, "backup"}} {
		if good, err := Verify(ctx, c.dir); err != nil || !good.OK || good.Kind != c.kind || len(good.Problems) != 0 {
			t.Fatalf("got %+v, %v", good, err)
		}
	}
	_, err = Verify(ctx, dir)
	wantCode(t, err, ErrNotFound)
	largest, size := "", int64(0)
	filepath.Walk(backup, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	content, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(largest, content, 0o644); err != nil {
		t.Fatal(err)
	}
	bad, err := Verify(ctx, backup)
	if err != nil || bad.OK || len(bad.Problems) == 0 || bad.Problems[0].Message == "" {
		t.Fatalf("got %+v, %v", bad, err)
	}
	if _, err := Open(ctx, filepath.Join(dir, "b"), NodeOptions{RestoreFrom: backup}); err == nil {
		t.Fatal("it began with a damaged backup")
	}
}

func TestBackupOfARunningNetwork(t *testing.T) {
	ctx := background(t)
	dir, _, ticket := network(t, 3)
	client := connect(t, ticket)
	before := fill(t, client.KV())
	if _, err := client.Backup(ctx, filepath.Join(dir, "backup")); err != nil {
		t.Fatal(err)
	}
	restored, err := Open(ctx, filepath.Join(dir, "new"), NodeOptions{RestoreFrom: filepath.Join(dir, "backup")})
	closing(t, restored, err)
	wantContents(t, restored.KV().Range(ctx, RangeOptions{}), before)
}
