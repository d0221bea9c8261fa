# Runs the test files that /vm/list names, and turns the machine off. What is said to `out`
# is read by xtask: lines that begin with `@` are its own.
out=
for port in /dev/vport*p1; do [ -c "$port" ] && out=$port; done
[ -n "$out" ] || { echo "no port to speak through"; poweroff -f; }
exec 3>"$out"
echo "@booted Linux $(uname -r), $(nproc) processors" >&3

tab=$(printf '\t')
while IFS=$tab read -r name folder program; do
    echo "running $name"
    echo "@began $name" >&3
    cd "$folder" || cd /
    timeout -k 10 "$FILE_LIMIT" "$program" --show-output </dev/null >/vm/output 2>&1
    status=$?
    # A line of its own that begins with the mark would be taken for ours.
    sed 's/^@/ @/' /vm/output >&3
    echo >&3
    echo "@ended $status" >&3
    cd /
done </vm/list
echo "@done" >&3
exec 3>&-
sync
poweroff -f
